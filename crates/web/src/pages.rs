//! The pages, one a file.

pub mod account;
pub mod audit;
pub mod documents;
pub mod experiment;
pub mod experiment_import;
pub mod experiment_new;
pub mod experiments;
pub mod groups;
pub mod joining;
pub mod landing;
pub mod robots;
pub mod second_factor;
pub mod second_step;
pub mod services;
pub mod sign_in;
pub mod sign_out;
pub mod single_sign_on;
pub mod users;
