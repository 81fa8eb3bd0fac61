"""What the sandbox tells its operator: a line stays a line, whatever a request put in. Pure."""


def printable(line: str) -> str:
    """The line with `?` for every character that could break it or steer a terminal."""
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else "?" for character in line)
