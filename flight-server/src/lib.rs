//! Paratope's outside: the command line now, servers beside it later. Everything that reads or
//! writes data is the engine's; here stands how people and programs reach it.

pub mod cli;
