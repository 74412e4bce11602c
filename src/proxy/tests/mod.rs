mod answer;
mod gateway;
mod wait;
