//! The command line.

mod address;
mod announce;
mod build;
mod check;
mod client;
mod compile;
mod completion;
mod config;
mod conn;
mod dev;
mod doctor;
mod drain;
mod events;
mod exit;
mod inspect;
mod listener;
mod message;
mod new;
mod out;
mod plugin;
mod reload;
mod route;
mod run;
mod secure;
mod serve;
mod signals;
mod status;
mod supervisor;
mod table;
mod target;
mod tenant;
mod test;
mod usage;

use clap::{Parser, Subcommand};
use exit::Failure;
use std::{future::Future, path::PathBuf, process::ExitCode, time::Duration};

/// The configuration that is read where none is named.
const CONFIG: &str = "socklet.toml";

/// A WebSocket server whose behavior is plugins.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves a configuration until SIGTERM or SIGINT, then drains.
    Serve {
        /// The configuration file.
        #[arg(default_value = CONFIG)]
        config: PathBuf,
    },
    /// Serves one behavior, without a configuration.
    Run(run::Arguments),
    /// Makes a project for a plugin, in a folder with its name.
    New(new::Arguments),
    /// Builds the plugin of a project, by the tools of its language.
    Build {
        /// The project's folder.
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Builds and serves the plugin of a project, and does so again whenever it is saved; connections stay open.
    Dev(dev::Arguments),
    /// Lists every mistake of a configuration; loads every plugin, serves nothing.
    Check {
        /// The configuration file.
        #[arg(default_value = CONFIG)]
        config: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Finds what is wrong around a server: limits, folders, addresses, plugins. Changes nothing.
    Doctor {
        /// The configuration file.
        #[arg(default_value = CONFIG)]
        config: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows what a plugin is, and what it needs.
    Inspect(inspect::Arguments),
    /// Runs scripted conversations against plugins, without sockets and with a clock of their own.
    Test(test::Arguments),
    /// Lists, shows and closes the connections of a running server, and sends to them.
    Conn {
        #[command(subcommand)]
        command: conn::Command,
    },
    /// Lists, shows and changes the routes of a running server, and sends to all of one.
    Route {
        #[command(subcommand)]
        command: route::Command,
    },
    /// Lists and shows the tenants of a running server, and reloads one of them.
    Tenant {
        #[command(subcommand)]
        command: tenant::Command,
    },
    /// Shows what the plugins of a running server have used.
    Usage(usage::Arguments),
    /// Shows how a running server is.
    Status(status::Arguments),
    /// Follows what happens in a running server.
    Events(events::Arguments),
    /// Shows and swaps the plugins of a running server.
    Plugin {
        #[command(subcommand)]
        command: plugin::Command,
    },
    /// Shows, stops and starts the listeners of a running server.
    Listener {
        #[command(subcommand)]
        command: listener::Command,
    },
    /// Empties a running server or a part of it, and takes that back.
    Drain(Box<drain::Arguments>),
    /// Has a running server read its configuration again and become what it says: all of it, or nothing.
    Reload(reload::Arguments),
    /// Shows what a configuration can say.
    Config {
        #[command(subcommand)]
        command: config::Command,
    },
    /// Prints what makes a shell complete the commands: bash, elvish, fish, powershell or zsh.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Writes the man pages into a folder.
    #[command(hide = true)]
    Man {
        /// The folder.
        folder: PathBuf,
    },
    /// Compiles a component. The server starts this itself.
    #[command(name = compile::NAME, hide = true)]
    Compile { arguments: Vec<String> },
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    // Mistakes in the arguments end here, with 2.
    let arguments = Arguments::parse();
    if let Command::Serve { .. } | Command::Run(_) | Command::Dev(_) = arguments.command
        && let Err(error) = socklet_server::inherit_sockets()
    {
        let error = anyhow::Error::new(error).context("failed to take over the sockets of LISTEN_FDS");
        return exit::report(Err(error.into()));
    }
    let outcome = match arguments.command {
        Command::Serve { config } => block_on(serve::serve(config)),
        Command::Run(arguments) => block_on(run::run(arguments)),
        Command::New(arguments) => new::new(&arguments),
        Command::Build { folder, json } => build::build(&folder, json),
        Command::Dev(arguments) => block_on(dev::dev(arguments)),
        Command::Check { config, json } => block_on(check::check(config, json)),
        Command::Doctor { config, json } => block_on(doctor::doctor(config, json)),
        Command::Inspect(arguments) => inspect::inspect(&arguments),
        Command::Test(arguments) => test::test(arguments),
        Command::Conn { command } => block_on(conn::conn(command)),
        Command::Route { command } => block_on(route::route(command)),
        Command::Tenant { command } => block_on(tenant::tenant(command)),
        Command::Usage(arguments) => block_on(usage::usage(arguments)),
        Command::Status(arguments) => block_on(status::status(arguments)),
        Command::Events(arguments) => block_on(events::events(arguments)),
        Command::Plugin { command } => block_on(plugin::plugin(command)),
        Command::Listener { command } => block_on(listener::listener(command)),
        Command::Drain(arguments) => block_on(drain::drain(*arguments)),
        Command::Reload(arguments) => block_on(reload::reload(arguments)),
        Command::Config { command } => config::config(&command),
        Command::Completion { shell } => completion::completion(shell),
        Command::Man { folder } => completion::man(&folder),
        Command::Compile { arguments } => compile::compile(&arguments),
    };
    exit::report(outcome)
}

fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::from(anyhow::Error::new(error).context("failed to start the runtime")))?;
    let outcome = runtime.block_on(command);
    // What still runs after a drain is not worth waiting for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}
