//! The command line against the real server, as people and scripts type it.
