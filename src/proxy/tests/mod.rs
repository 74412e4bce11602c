mod answer;
mod edit;
mod error;
mod split;
mod wait;
