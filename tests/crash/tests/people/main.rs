//! People and broken machines: one lab and one story each. Each shows that nothing moved by a state that was reached
//! meanwhile, never by waiting and hoping.
//!
//! `scene` is the lab with its people; `held` is Stop, pause and questions; `rounds` new plates without a person's delay;
//! `broken` what nobody repairs; `decks` one machine under two names or two databases.

mod broken;
mod decks;
mod held;
mod rounds;
mod scene;
