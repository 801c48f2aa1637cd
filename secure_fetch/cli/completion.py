"""`secure-fetch completion`: a script for the shell, made from the parser, so that it knows every command there is."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ui import Ui

_FOLDERS = ("DIR",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command as completion sees it: its words after the program's name, sub-commands, options, what takes a value.

    `commands` and `options` map to the first line of their help.
    """

    words: tuple[str, ...]
    commands: dict[str, str]
    options: dict[str, str]
    valued: tuple[str, ...]
    folders: tuple[str, ...]
    choices: tuple[str, ...]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], **options: Any) -> None:  # noqa: ANN401
    """Add the command."""
    parser = subparsers.add_parser(
        "completion",
        help="print a completion script for bash, zsh or fish",
        description='Print a completion script. Bash: add `eval "$(secure-fetch completion bash)"` to ~/.bashrc. '
        "Zsh: write it to a file _secure-fetch in a folder of $fpath. "
        "Fish: write it to ~/.config/fish/completions/secure-fetch.fish.",
        **options,
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, ui: Ui) -> int:
    """Print the script."""
    from .parser import PROGRAM, build

    commands = list(_walk(build(), ()))
    script = {"bash": _bash, "zsh": _zsh, "fish": _fish}[args.shell](PROGRAM, commands)
    ui.answer(script)
    ui.result({"shell": args.shell, "script": script})
    return 0


def _walk(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[Command]:
    """Yield a parser's command and those below it."""
    below: dict[str, argparse.ArgumentParser] = {}
    helps: dict[str, str] = {}
    options: dict[str, str] = {}
    valued: list[str] = []
    folders: list[str] = []
    choices: list[str] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            below.update(action.choices)
            helps.update({one.dest: _text(one) for one in action._choices_actions})  # noqa: SLF001 - as above
        elif action.option_strings:
            options.update(dict.fromkeys(action.option_strings, _text(action)))
            if action.nargs != 0:
                valued += action.option_strings
                folders += action.option_strings if action.metavar in _FOLDERS else ()
        elif action.choices is not None:
            choices += map(str, action.choices)
    yield Command(
        words=words,
        commands={name: helps.get(name, "") for name in below},
        options=options,
        valued=tuple(valued),
        folders=tuple(folders),
        choices=tuple(choices),
    )
    for name, child in below.items():
        yield from _walk(child, (*words, name))


def _text(action: argparse.Action) -> str:
    """Return an action's help as one line that every shell takes within single quotes."""
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    return " ".join(text.split()).replace("'", "’")  # noqa: RUF001 - a plain one would end the quotes


def _cases(commands: list[Command], line: str) -> str:
    """Return the branches of a `case` over the words so far; `line` is formatted with each command's own."""
    return "\n".join(
        f"    '{' '.join(command.words)}') "
        + line.format(
            words=" ".join([*command.commands, *command.choices]),
            options=" ".join(command.options),
            valued="|".join(command.valued),
            folders="|".join(command.folders),
        )
        for command in commands
    )


def _bash(program: str, commands: list[Command]) -> str:
    function = "_" + program.replace("-", "_")
    valued = sorted({option for command in commands for option in command.valued})
    folders = sorted({option for command in commands for option in command.folders})
    known = "|".join(f"'{' '.join(command.words)}'" for command in commands if command.words)
    return f"""# completion of {program} for bash
{function}() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
  local place command='' longer words='' options=''
  COMPREPLY=()
  for ((place = 1; place < COMP_CWORD; place++)); do
    case "${{COMP_WORDS[place]}}" in
      {"|".join(valued)}) place=$((place + 1)); continue ;;
    esac
    longer="${{command:+$command }}${{COMP_WORDS[place]}}"
    case "$longer" in
      {known}) command=$longer ;;
    esac
  done
  case "$previous" in
    {"|".join(folders)}) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    {"|".join(valued)}) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
  esac
  case "$command" in
{_cases(commands, "words='{words}'; options='{options}' ;;")}
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ -n $words ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}}
complete -o filenames -F {function} {program}"""


def _zsh(program: str, commands: list[Command]) -> str:
    """Return a script in which zsh uses the one for bash: its bashcompinit knows everything that this needs."""
    body = _bash(program, commands)
    body = body.replace("mapfile -t COMPREPLY < <(", "COMPREPLY=($(").replace('"$current")', '"$current"))')
    return f"autoload -Uz bashcompinit && bashcompinit\n{body}".replace("for bash\n", "for zsh\n", 1)


def _fish(program: str, commands: list[Command]) -> str:
    lines = [f"# completion of {program} for fish", f"complete -c {program} -f"]
    for command in commands:
        seen = [f"__fish_seen_subcommand_from {word}" for word in command.words]
        below = [*command.commands]
        if below:
            seen.append(f"not __fish_seen_subcommand_from {' '.join(below)}")
        condition = "; and ".join(seen) or "true"
        for name, text in [*command.commands.items(), *((choice, "") for choice in command.choices)]:
            lines.append(f"complete -c {program} -n '{condition}' -a '{name}' -d '{text}'")
        if not below and not command.choices:
            lines.append(f"complete -c {program} -n '{condition}' -F")
        for option, text in command.options.items():
            name = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            takes = " -r" if option in command.valued else ""
            lines.append(f"complete -c {program} -n '{condition}' {name}{takes} -d '{text}'")
    return "\n".join(lines)
