"""A group of commands that answers a wrong name with the right ones."""

import difflib

import click


class CommandGroup(click.Group):
    """Names the nearest command where there is none of that name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names."""
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            raise click.UsageError(
                f"There is no command {args[0]!r}.{self.suggest(ctx, args[0])}", ctx
            )
        return super().resolve_command(ctx, args)

    def suggest(self, ctx: click.Context, word: str) -> str:
        """Return what may have been meant, or all that there is."""
        names = self.list_commands(ctx)
        near = difflib.get_close_matches(word, names, n=1)
        return f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(names)}."
