mod address;
mod dns;
mod names;
mod pair;
mod pool;
mod service;
