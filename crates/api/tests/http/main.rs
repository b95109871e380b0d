//! The HTTP interface as its clients meet it: a real server on a free port, a real database, no robot.

mod access;
mod activity;
mod documents;
mod factors;
mod groups;
mod joining;
mod lab;
mod lists;
mod live;
mod people;
mod records;
mod refusals;
mod steering;
mod submitting;
mod tokens;
mod unserved;
