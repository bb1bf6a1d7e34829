//! The `doorward` program as its users see it: started as they start it, and asked over HTTP.
//!
//! Each file holds one promise. `support` starts and stops the program, `api` speaks the API as a
//! well-behaved client does, and `wire` as one that does not.

#![cfg(unix)]

mod api;
mod audit;
mod command_line;
mod console;
mod disconnects;
mod imports;
mod instances;
mod journey;
mod keys;
mod last_admin;
mod lockout;
mod mail;
mod operator;
mod overload;
mod powers;
mod protocol;
mod readme;
mod secrecy;
mod shutdown;
mod silent_reader;
mod start;
mod support;
mod survival;
mod wire;
