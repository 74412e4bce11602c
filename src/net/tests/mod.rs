mod address;
mod dns;
mod names;
#[cfg(feature = "tls")]
mod origin_tls;
mod pair;
mod pool;
mod service;
