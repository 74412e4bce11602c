mod counters;
mod histogram;
mod rates;
mod text;
