mod answer;
mod wait;
