"""Print the messages passed directly to errors, logs and print, with file and line (not those collected in lists).

Usage: python tests/list_messages.py
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MESSAGE_CALLS = {"UserError", "WorkflowError", "SystemExit", "warning", "warn", "info", "print", "exit"}


def main() -> None:
    """Print one message per paragraph."""
    for path in sorted([*(ROOT / "workflow" / "scripts").rglob("*.py"), ROOT / "workflow" / "rules" / "hooks.smk"]):
        for line, text in messages(ast.parse(path.read_text(encoding="utf-8"))):
            print(f"{path.relative_to(ROOT)}:{line}\n    {text}\n")


def messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of each message, with placeholders in braces."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            message_arguments = node.args if name in MESSAGE_CALLS else []
        else:
            message_arguments = [node.value] if isinstance(node, ast.Yield) else []
        for argument in message_arguments:
            if text := literal_text(argument):
                yield node.lineno, " ".join(text.split())


def literal_text(node: ast.AST) -> str:
    """Return the text of a literal or formatted string, empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [
            part.value if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}" for part in node.values
        ]
        return "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return literal_text(node.left) + literal_text(node.right)
    return ""


if __name__ == "__main__":
    main()
