"""Rooms stay small: a module of at most 500 lines, a function of at most 60, so that each can be read in one sitting."""

import ast

import house

MODULE, FUNCTION = 500, 60


def test_no_module_is_longer_than_a_reader_holds() -> None:
    lengths = {str(path.relative_to(house.ROOT)): len(path.read_text().splitlines()) for path in house.python_files()}
    assert {name: length for name, length in lengths.items() if length > MODULE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    assert {
        f"{path.relative_to(house.ROOT)}:{node.lineno} {node.name}": lines(node)
        for path in house.python_files()
        for node in ast.walk(house.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines(node) > FUNCTION
    } == {}


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1
