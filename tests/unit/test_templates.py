"""Templates: what they give, what they refuse, and that nobody gets out of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from evald.errors import EvaluationError, InvalidArgument
from evald.filters import MAX_TEXT
from evald.templates import Templates, context_of, field_names, with_answer

ROW = {"name": "Ada", "n": 3, "tags": ["x", "y"], "deep": {"a": [{"b": 1}]}, "none": None}


def render(source: Any, row: dict[str, Any] | None = None) -> Any:
    return Templates().compile(source, "template").value(context_of(ROW if row is None else row))


def text(source: Any, row: dict[str, Any] | None = None) -> str:
    return Templates().compile(source, "template").text(context_of(ROW if row is None else row))


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ("plain", "plain"),
        ("a lone { or } or }} stays", "a lone { or } or }} stays"),
        ("{\r\n}", "{\r\n}"),
        ("{{ name }}\n", "Ada\n"),
        ("{{ item.name }} is {{ n }}", "Ada is 3"),
        ("{{ tags[0] }}{{ tags[-1] }}{{ deep.a[0].b }}", "xy1"),
        ("{% for t in tags %}{{ loop.index }}{{ t }}{% endfor %}", "1x2y"),
        ("{% for t in tags %}{{ loop.length }}{{ loop.last }}{% endfor %}", "2False2True"),
        ("{% for k, v in deep.items() %}{{ k }}{{ v }}{% endfor %}", "a[{'b': 1}]"),
        ("{% if n > 2 and 'x' in tags %}yes{% else %}no{% endif %}", "yes"),
        ("{{ name | upper | replace('A', 'O') | trim }}", "ODO"),
        ("{{ name.lower().split('d') | join('-') }}", "a-a"),
        ("{{ ', '.join(tags) }}", "x, y"),
        ("{{ '  x '.strip() }}{{ 'xax'.strip('x') }}{{ 'a-b'.replace('-', '') }}", "xaab"),
        ("{{ 'a' ~ 1 ~ none }}", "a1None"),
        (
            "{{ [1, 2] + [3] }}{{ 'a' * 3 }}{{ 2 ** 10 }}{{ 7 % 4 }}{{ 7 // 2 }}",
            "[1, 2, 3]aaa102433",
        ),
        ("{{ tags | map('upper') | list }}", "['X', 'Y']"),
        ("{{ [{'p': 1}, {'p': 2}] | sum(attribute='p') }}", "3"),
        ("{{ [{'p': 1}, {'p': 2}] | join(',', attribute='p') }}", "1,2"),
        (
            "{{ '42.9' | int }}{{ 'x' | int(7) }}{{ 2.5 | round }}{{ 2.345 | round(2) }}",
            "4272.02.35",
        ),
        ("{{ \"they're here\" | title }}{{ 'a b, c' | wordcount }}", "They're Here3"),
        ("{{ missing | default('none') }}{{ missing is defined }}", "noneFalse"),
        ("{% set x %}{{ name }}!{% endset %}{{ x }}", "Ada!"),
        ("{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(1) }}{{ m('b') }}", "<1><b>"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}", "012"),
        ("{% raw %}{{ name }}{% endraw %}{# gone #}", "{{ name }}"),
        ("{{ 'abcdef'[1:3] }}{{ tags[::-1] }}", "bc['y', 'x']"),
    ],
)
def test_what_a_text_gives(source: str, given: str) -> None:
    assert render(source) == given
    assert text(source) == given


@pytest.mark.parametrize(
    "value", [["a", 1], {"k": [None, True]}, "text", 4, 2.5, None, True, "<b> & 'ü' \u2028 \"q\""]
)
def test_a_lone_tojson_gives_the_value_back(value: Any) -> None:
    assert render("{{ item.v | tojson }}", {"v": value}) == value
    assert render(" {{ item.v | tojson }}\n", {"v": value}) == value
    assert render({"messages": ["{{ v | tojson }}"]}, {"v": value}) == {"messages": [value]}


def test_json_is_not_escaped_for_html() -> None:
    assert text("{{ v | tojson }}", {"v": {"é": "<&>'"}}) == '{"é": "<&>\'"}'
    assert text("{{ [1, 2] | tojson(indent=1) }}") == "[\n 1,\n 2\n]"
    assert render("say {{ tags | tojson }}") == 'say ["x", "y"]'


def test_what_is_not_a_text() -> None:
    assert render({"n": 1, "m": [None, "{{ n }}"]}) == {"n": 1, "m": [None, "3"]}
    assert text({"n": "{{ n }}"}) == '{"n": "3"}'
    assert text(5) == "5"


def test_names_of_fields() -> None:
    assert field_names(("Question", "question", "My Field!", "my_field_", "ünï", "_id")) == {
        "Question": "question",
        "question": "question_1",
        "My Field!": "my_field_",
        "my_field_": "my_field__1",
        "ünï": "ünï",
        "_id": "_id",
    }
    assert text("{{ item._id }}{{ _id }}", {"_id": 7}) == "77"
    assert text("{{ item.items }}{{ items }}", {"items": 1}) == "11"
    assert text("{{ item.get }}{{ item.keys }}", {"get": 1, "keys": 2}) == "12"


def test_the_answer_goes_before_the_row() -> None:
    seen = context_of({"output_text": "row", "item": "x", "sample": "y", "kept": "k"})
    assert seen["sample"] == "y"
    seen = with_answer(seen, {"output_text": "model", "response": {"a": [1]}})
    template = Templates().compile(
        "{{ output_text }} {{ sample.output_text }} {{ item.output_text }} {{ item.item }} "
        "{{ sample.response.a[0] }} {{ kept }}",
        "t",
    )
    assert template.text(seen) == "model model row x 1 k"


@pytest.mark.parametrize(
    ("source", "field", "words"),
    [
        ("{{ x", "template", "line 1: "),
        ("a\nb\n{% for %}", "template", "line 3: "),
        ("{{ x | nofilter }}", "template", "nofilter"),
        ("{{ x is notest }}", "template", "notest"),
        (
            {"messages": [{"content": "ok"}, {"content": "{{ ("}]},
            "template.messages.1.content",
            "1",
        ),
        ("{% include 'x' %}", "template", "load another"),
        ("{% extends 'x' %}", "template", "load another"),
        ("{% import 'x' as y %}", "template", "load another"),
        ("{% from 'x' import y %}", "template", "load another"),
        ("{% autoescape true %}{{ x }}{% endautoescape %}", "template", "HTML"),
        ("{% for a in b recursive %}{{ loop(a) }}{% endfor %}", "template", "recursive"),
        ("{% for a in b %}" * 40 + "{% endfor %}" * 40, "template", "too deeply"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "template", "too deeply"),
        ("{{ " + "[" * 500 + "]" * 500 + " }}", "template", "too deeply"),
        ("{{ " + "1+" * 4000 + "1 }}", "template", "too deeply"),
        ("{{ " + "-" * 4000 + "1 }}", "template", "too deeply"),
        ("{{ " + "9" * 5000 + " }}", "template", ""),
        ("{{ 1 }}" * 20_000, "template", "too long"),
        ("x{{ 1 }}" + "y" * 2**20, "template", "longer than"),
    ],
)
def test_what_is_malformed_names_its_place(source: Any, field: str, words: str) -> None:
    started = time.thread_time()
    with pytest.raises(InvalidArgument) as e:
        Templates("tasks.qa.params").compile(source, "template")
    assert e.value.violations[0].field == field
    assert words in e.value.message
    assert time.thread_time() - started < 2


def test_a_sample_that_no_model_answered() -> None:
    with pytest.raises(EvaluationError, match=r"has: q\); no model was asked: name the row's own"):
        text("{{ sample.output_text }}", {"q": 1})


def test_an_error_of_a_sample_names_its_place_and_what_there_is() -> None:
    template = Templates("tasks.qa.params").compile({"messages": ["{{ item.ask }}"]}, "template")
    with pytest.raises(EvaluationError) as e:
        template.value(context_of({"Question": 1}))
    assert e.value.kind == "template"
    assert e.value.message.startswith("tasks.qa.params.template.messages.0: ")
    assert "'ask'" in e.value.message
    assert "the row has: question" in e.value.message


GADGETS = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}",
    "{{ [].__class__.__mro__ }}",
    "{{ {}.__class__.__base__ }}",
    "{{ item.__class__ }}",
    "{{ item['__class__'] }}",
    "{{ item.__init__.__globals__ }}",
    "{{ range.__globals__ }}",
    "{{ range.__class__ }}",
    "{{ range }}",
    "{{ [range] }}",
    "{{ range ~ '' }}",
    "{{ range | string }}",
    "{{ range | tojson }}",
    "{{ [range] | join }}",
    "{{ {'a': range} | tojson }}",
    "{{ lipsum }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner.__init__.__globals__.os }}",
    "{{ namespace.__init__.__globals__.os }}",
    "{{ namespace(a=1) }}",
    "{{ dict(a=1) }}",
    "{{ config }}",
    "{{ request.application.__globals__ }}",
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "{{ self._TemplateReference__context.environment }}",
    "{{ self.__init__ }}",
    "{{ self['_TemplateReference__context'] }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "{{ ''['format'] }}",
    "{{ '%s' % item }}",
    "{{ '%(x)s' % {'x': range} }}",
    "{{ '%s'|format(range) }}",
    "{{ ''.join }}",
    "{{ ''.lower }}",
    "{{ ''.split.__self__ }}",
    "{{ ''.encode() }}",
    "{{ ''.translate({}) }}",
    "{{ tags.append(1) }}",
    "{{ tags.clear() }}",
    "{{ tags.sort() }}",
    "{{ item.update({'a': 1}) }}",
    "{{ deep.pop('a') }}",
    "{{ tags|map('attr', '__class__')|list }}",
    "{{ tags|map(attribute='__class__')|list }}",
    "{{ tags|groupby('__class__') }}",
    "{{ tags|sort(attribute='__class__') }}",
    "{{ tags|sum(attribute='__class__') }}",
    "{{ tags|join(attribute='__class__') }}",
    "{{ tags|selectattr('__class__')|list }}",
    "{{ tags|map('upper') }}",
    "{{ (tags|map('upper')).gi_frame }}",
    "{{ (tags|map('upper')).gi_code }}",
    "{{ (tags|select).gi_frame.f_globals }}",
    "{% for x in tags %}{{ loop }}{% endfor %}",
    "{% for x in tags %}{{ loop._iterable }}{% endfor %}",
    "{% for x in tags %}{{ loop.__init__ }}{% endfor %}",
    "{% for x in tags %}{{ loop._undefined }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m }}",
    "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._environment }}",
    "{% macro m() %}{{ caller }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{{ m.__class__ }}{% endmacro %}{{ m(1, a=2) }}",
    "{{ missing.__class__ }}",
    "{{ (missing|default(range)) }}",
    "{{ n.__class__ }}",
    "{{ n.bit_length() }}",
    "{{ n.__add__ }}",
    "{{ none.__class__ }}",
    "{{ true.__class__ }}",
    "{{ environment }}",
    "{{ context }}",
    "{{ __builtins__ }}",
    "{{ __import__('os') }}",
    "{{ open('/etc/passwd').read() }}",
    "{{ ''|pprint }}",
    "{{ range|pprint }}",
    "{{ 'x'|xmlattr }}",
    "{{ {'x': 1}|urlencode }}",
    "{% set x.__class__ = 1 %}",
    "{% set item.name = 1 %}",
    "{% debug %}",
    "{% do tags.append(1) %}",
    "{{ item.items().mapping }}",
    "{{ item.keys().__class__ }}",
    "{{ (1).real }}{{ (1).__class__ }}",
    "{{ tags | ' turns' }}",
    "{% trans %}x{% endtrans %}",
    "{{ '\\u005f\\u005fclass\\u005f\\u005f' ~ ''['\\u005f\\u005fclass\\u005f\\u005f'] }}",
    "{{ ''['__cla' ~ 'ss__'] }}",
    "{{ ()['__class__']['__base__']['__subclasses__']() }}",
]

LEAKS = ("<class", "<function", "<built-in", "<bound", "<generator", "object at 0x", "root:",
         "<Macro", "<LoopContext", "<TemplateReference", "<module", "uid=")  # fmt: skip


@pytest.mark.parametrize("source", GADGETS)
def test_nobody_gets_out(source: str) -> None:
    """The gadgets of known escapes from Jinja: an error that leaks nothing, or harmless text."""
    row = {**ROW, "tags": ["x", "y"]}
    before = repr(row)
    try:
        given = text(source, row)
    except (InvalidArgument, EvaluationError) as e:
        given = e.message
    assert not any(leak in given for leak in LEAKS), given
    assert repr(row) == before


BOMBS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{{ range(10 ** 9) }}",
    "{% for a in range(10 ** 9) %}{% endfor %}",
    "{{ range(99999) | map('list') | list }}",
    "{% for a in range(99999) %}{{ range(99999) | sum }}{% endfor %}",
    "{% for a in range(99999) %}{{ range(99999) | list | sort | length }}{% endfor %}",
    "{{ 'x' * 10 ** 9 }}",
    "{{ 10 ** 9 * 'x' }}",
    "{{ [0] * 10 ** 9 }}",
    "{{ 10 ** (10 ** 10) }}",
    "{{ 2 ** (2 ** 30) }}",
    "{{ 5 | round(-1000000000) }}",
    "{{ 5 | round(1000000000, 'floor') }}",
    "{% set x = 'x' %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}",
    "{% set x = 'x' %}" + "{% set x = x + x %}" * 60 + "{{ x }}",
    "{% set x = 'x' %}" + "{% set x = x * 2 %}" * 60 + "{{ x }}",
    "{% set x = 'x' %}" + "{% set x = [x, x] | join(x) %}" * 60 + "{{ x }}",
    "{% set x = 'x' %}" + "{% set x = x.join([x, x]) %}" * 60 + "{{ x }}",
    "{% set x = 'xx' %}" + "{% set x = x | replace('x', x) %}" * 60 + "{{ x }}",
    "{% set x = 'xx' %}" + "{% set x = x.replace('x', x) %}" * 60 + "{{ x }}",
    "{% set x = 'xx' %}" + "{% set x = x | replace('', x) %}" * 60 + "{{ x }}",
    "{% set x = 'x' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60 + "{{ x }}",
    "{% set x = 9 %}" + "{% set x = x * x %}" * 60 + "{{ x }}",
    "{% set x = 9 %}" + "{% set x = x ** x %}" * 6 + "{{ x }}",
    "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "{% set x = [1] %}{% set y = [1] %}"
    + "{% set x = [x, x] %}{% set y = [y, y] %}" * 60
    + "{{ x == y }}",
    "{% set x = (1,) %}" + "{% set x = (x, x) %}" * 60 + "{{ {x: 1} }}",
    "{% set x = {'a': 1} %}" + "{% set x = {'a': x, 'b': x} %}" * 60 + "{{ x | tojson }}",
    "{% set x = [1] %}" + "{% set x = x + x %}" * 60 + "{{ x | length }}",
    "{% set x = ['y' * 1000] * 9999 %}{{ x }}",
    "{% set x = ['y' * 1000] * 9999 %}{{ x | join }}",
    "{% set x = ['y' * 1000] * 9999 %}{{ x | tojson }}",
    "{{ ([[1] * 9999] * 99) | sum(start=[]) }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% macro m(n) %}{% if n %}{{ m(n-1) ~ m(n-1) }}{% endif %}{% endmacro %}{{ m(40) }}",
    "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
    "{% set x = 'ab' * 2000000 %}{% set y = 'a' ~ 'b' * 2 ~ 'ab' * 1999998 ~ 'x' %}"
    "{% for a in range(99999) %}{% if x == y or 'q' in x %}{% endif %}{% endfor %}",
    "{% set x = 'ab' * 2000000 %}{% for a in range(99999) %}{% set y = x[1:] %}{% endfor %}",
    "{% set x = 'a' * 4000000 %}[{{ [" + "x[1:]," * 2000 + "] | length }}]",
    "{% set x = 'a' * 4000000 %}{{ [x] * 999 | map('upper') | list | length }}",
    "{% set x = 'a ' * 2000000 %}{% for a in range(99999) %}{{ x.split() | length }}{% endfor %}",
    "{% set x = 'a' * 4000000 %}{{ x.strip('b' * 4000000 ~ 'a') }}",
    "{% set x = 'a' * 4000000 %}{{ x | trim('b' * 4000000 ~ 'a') }}",
    "{{ 'x'.ljust(10 ** 9) }}",
    "{{ 'x'.center(10 ** 9) }}",
    "{{ '1'.zfill(10 ** 9) }}",
    "{{ '\t'.expandtabs(10 ** 9) }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'x' | center(10 ** 9) }}",
    "{{ 'x' | indent(10 ** 9) }}",
    "{{ [1] | tojson(indent=10 ** 9) }}" * 3 + "{{ 'x' * 10 ** 8 }}",
    "{% set x = 0x" + "f" * 400_000 + " %}{% for a in range(99999) %}{{ x % 7 }}{% endfor %}",
    "{{ ('f' * 4000000) | int(0, 16) // 3 }}{{ 'x' * 10 ** 8 }}",
    "{{ range(99999) | list | batch(1) | list }}",
    "{{ range(99999) | slice(99999) | list }}",
    "{% set x = 'x' * 4000000 %}" + "{{ x }}" * 1000,
    "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    "{% set x %}{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}{% endset %}",
    "{{ lipsum(n=10 ** 6) }}",
    "{% set x = 'a' * 4000000 %}{{ x | sort | length }}",
    "{% set x = 'a' * 4000000 %}{{ x | groupby('x') }}",
    "{% set x = 'a' * 4000000 %}{{ x | unique | list }}",
    "{% set x = 'a' * 4000000 %}{{ ','.join(x) | length }}",
    "{% set x = 'a ' * 2000000 %}{{ x | title ~ x | title ~ x | title }}",
    "{% set x = range(99999) %}{{ x | select('in', range(99999) | list) | list | length }}",
    "{% set x = range(99999) | list %}{{ x | reject('in', [-1] * 100000) | list | length }}",
    "{% set x = range(99999) | list %}"
    + "{% if -1 in x %}{% endif %}" * 2000
    + "{{ 2 ** 10 ** 9 }}",
    "{% set x = [1] * 100000 %}{% for i in range(99999) %}{{ x.count(2) }}{% endfor %}",
]

BOMB_RUNNER = r"""
import json, re, sys, time
from pathlib import Path
from evald import sandbox
from evald.errors import EvaluationError, InvalidArgument
from evald.templates import Templates, context_of
sandbox.MAX_SECONDS = 0.2
failures = []
for source in json.load(sys.stdin):
    started = time.thread_time()
    try:
        text = Templates().compile(source, "t").text(context_of({}))
        failures.append([source[:100], f"gives {len(text)} characters"])
    except (EvaluationError, InvalidArgument) as e:
        if "memory" in e.message:
            failures.append([source[:100], e.message])
    if (took := time.thread_time() - started) > 10:
        failures.append([source[:100], f"took {took:.1f} s"])
# not ru_maxrss, which a process inherits from the one that started it
peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
print(json.dumps([failures, int(peak[1]) // 1024]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads its memory from /proc")
def test_bombs_go_off_in_vain() -> None:
    """Each ends soon after the budget's time, in a process that gets no more than 1 GiB."""
    found = subprocess.run(
        ["bash", "-c", 'ulimit -v 1048576 && exec "$@"', "-", sys.executable, "-c", BOMB_RUNNER],
        input=json.dumps(BOMBS),
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert found.returncode == 0, found.stderr
    failures, peak = json.loads(found.stdout)
    assert failures == []
    assert peak < 300


def test_what_is_bounded_goes_up_to_the_bound() -> None:
    long = "x" * (MAX_TEXT - 1)
    assert text("{{ long }}!", {"long": long}) == long + "!"
    assert len(text("{% for i in range(40000) %}{{ i % 10 }}{% endfor %}")) == 40_000
    assert text("{{ v | tojson }}", {"v": [0.5] * 300_000}) == str([0.5] * 300_000)


def test_each_rendering_has_its_own_budget() -> None:
    template = Templates().compile("{% for i in range(60000) %}{% endfor %}ok", "t")
    assert [template.text({"item": {}}) for _ in range(3)] == ["ok"] * 3


@pytest.mark.parametrize("name", ["upper", "lower", "capitalize"])
def test_filters_of_texts_do_not_show_what_is_no_data(name: str) -> None:
    assert text(f"{{{{ 'aB' | {name} }}}}") == getattr(str, name)("aB")
    assert text(f"{{{{ 12 | {name} }}}}") == "12"
    with pytest.raises(EvaluationError, match="is no text, number"):
        text(f"{{{{ range | {name} }}}}")
