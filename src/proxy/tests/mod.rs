mod answer;
mod edit;
mod split;
mod wait;
