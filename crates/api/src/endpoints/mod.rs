//! The endpoints, one a file: the path from the URL is the path to the file. What is told in one word is a table instead,
//! [`commands`].

pub mod activity;
pub mod auth;
pub mod commands;
pub mod display;
pub mod experiments;
pub mod groups;
pub mod health;
pub mod invitations;
pub mod lab;
pub mod me;
mod owner;
pub mod protocols;
pub mod queue;
pub mod quota_requests;
pub mod registrations;
pub mod robots;
pub mod service_tokens;
pub mod sessions;
pub mod tokens;
pub mod users;
