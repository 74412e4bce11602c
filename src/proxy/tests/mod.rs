mod answer;
mod edit;
mod error;
mod pace;
mod rest;
mod split;
mod wait;
