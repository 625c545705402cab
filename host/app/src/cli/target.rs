//! Which running server a command is for: options that several commands have.

use super::{CONFIG, address::Address, client::Client, exit::Failure};
use crate::{config::find_admin, token::Token};
use anyhow::anyhow;
use clap::Args;
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// The server's configuration file, which says where its admin API is.
    #[arg(long, value_name = "FILE", default_value = CONFIG, conflicts_with = "admin")]
    config: PathBuf,
    /// The admin API itself: `http://HOST:PORT`, `unix:PATH`, or the path of its socket.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Address>,
    /// The file with the token for it.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Target {
    /// A client of that server. Nothing is sent yet.
    pub(super) fn client(self) -> Result<Client, Failure> {
        let token = self.token_file.map(|path| Token::read(&path)).transpose();
        let token = token.map_err(|error| anyhow!("{error}"))?;
        match self.admin {
            Some(address) => Ok(Client::new(address, token)),
            None => {
                let plan = find_admin(&self.config)?;
                Ok(Client::new(Address::of(&plan.bind), token.or(plan.token)))
            }
        }
    }
}
