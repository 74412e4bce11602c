mod answer;
mod edit;
mod error;
mod pace;
mod split;
mod wait;
