//! Completion for the common shells: commands, options, files.

use super::args::{FLAGS, VALUES};
use super::help::COMMANDS;

/// A shell whose completion is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
}

impl Shell {
    /// The shell of this name.
    pub fn named(name: &str) -> Option<Self> {
        [(Self::Bash, "bash"), (Self::Zsh, "zsh"), (Self::Fish, "fish")]
            .into_iter()
            .find_map(|(shell, known)| (known == name).then_some(shell))
    }
}

/// The script that a shell reads.
pub fn script(shell: Shell) -> String {
    let options = [FLAGS, VALUES, &["--help", "--version"]].concat().join(" ");
    match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
    }
    .replace("{commands}", &COMMANDS.join(" "))
    .replace("{options}", &options)
}

const BASH: &str = "\
# ikvm-mcp completion bash > /etc/bash_completion.d/ikvm-mcp
_ikvm_mcp() {
    local word=${COMP_WORDS[COMP_CWORD]}
    case ${COMP_WORDS[COMP_CWORD-1]} in
        -o|--output|--hosts|--image|--text) COMPREPLY=($(compgen -f -- \"$word\")) ;;
        completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$word\")) ;;
        font) COMPREPLY=($(compgen -W learn -- \"$word\")) ;;
        --power) COMPREPLY=($(compgen -W 'on off' -- \"$word\")) ;;
        *) COMPREPLY=($(compgen -W '{commands} {options}' -- \"$word\")) ;;
    esac
}
complete -F _ikvm_mcp ikvm-mcp
";

const ZSH: &str = "\
#compdef ikvm-mcp
# ikvm-mcp completion zsh > ~/.zfunc/_ikvm-mcp, with ~/.zfunc in fpath
case $words[CURRENT-1] in
    -o|--output|--hosts|--image|--text) _files ;;
    completion) compadd bash zsh fish ;;
    font) compadd learn ;;
    --power) compadd on off ;;
    *) compadd -- {commands} {options} ;;
esac
";

const FISH: &str = "\
# ikvm-mcp completion fish > ~/.config/fish/completions/ikvm-mcp.fish
complete -c ikvm-mcp -f -a '{commands} {options}'
complete -c ikvm-mcp -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
complete -c ikvm-mcp -f -n '__fish_seen_subcommand_from font' -a learn
complete -c ikvm-mcp -x -l power -a 'on off'
complete -c ikvm-mcp -r -F -s o -l output
complete -c ikvm-mcp -r -F -l hosts
complete -c ikvm-mcp -r -F -l image
complete -c ikvm-mcp -r -F -l text
";
