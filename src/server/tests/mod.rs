mod activation;
mod handoff;
mod notify;
mod privileges;
mod roll;
