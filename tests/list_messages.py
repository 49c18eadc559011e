"""Print every error, warning and notice of the workflow with its place in the code, to be read aloud.

Usage: python tests/list_messages.py
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPOKEN = {"UserError", "WorkflowError", "SystemExit", "warning", "warn", "info", "print", "exit"}


def main() -> None:
    """Print one message per paragraph."""
    for path in sorted([*(ROOT / "workflow" / "scripts").rglob("*.py"), ROOT / "workflow" / "rules" / "hooks.smk"]):
        for line, text in messages(ast.parse(path.read_text(encoding="utf-8"))):
            print(f"{path.relative_to(ROOT)}:{line}\n    {text}\n")


def messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of what code raises, logs, prints or yields as a message, placeholders in braces."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            said = node.args if name in SPOKEN else []
        else:
            said = [node.value] if isinstance(node, ast.Yield) else []
        for argument in said:
            if text := spoken(argument):
                yield node.lineno, " ".join(text.split())


def spoken(node: ast.AST) -> str:
    """Return the text of a literal or formatted string, empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [
            part.value if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}" for part in node.values
        ]
        return "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return spoken(node.left) + spoken(node.right)
    return ""


if __name__ == "__main__":
    main()
