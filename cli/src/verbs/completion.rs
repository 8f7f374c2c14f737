//! Owns `bosun completion`: the script that teaches a shell our verbs and options.

use crate::output::terminal::print_bytes;
use anyhow::Result;
use clap::{Args as ClapArgs, CommandFactory as _, ValueEnum};

/// The arguments of `completion`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  bosun completion bash > ~/.local/share/bash-completion/completions/bosun"
)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// The shells we write for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub(crate) fn run(args: &Args) -> Result<()> {
    Ok(print_bytes(&script(args.shell))?)
}

fn script(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::args::Args::command(), "bosun", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::{Shell, script};

    #[test]
    fn every_shell_has_a_script() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            assert!(String::from_utf8(script(shell)).unwrap().contains("bosun"));
        }
    }
}
