"""Attacks on a model in a text: a first heuristic, of phrases that give an attempt to take over instructions away.

It knows what attackers write most, in a few languages, and understands nothing. The gate takes any such function.
"""

import re
from typing import NamedTuple


class Sign(NamedTuple):
    """A phrase, in lower case, and what it does. One of `marks` is in every match: a text is asked for them first."""

    does: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]


def _sign(does: str, marks: str, pattern: str) -> Sign:
    return Sign(does, tuple(marks.split("|")), re.compile(pattern, re.DOTALL | re.MULTILINE))


_ALL = r"(?:all |any |every |the |of |your |my |these |those |its |our ){0,4}"
_BEFORE = (
    r"(?:previous|prior|above|earlier|preceding|foregoing|former|original|initial|system|existing|past|old|given|"
    r"current)"
)
_ORDERS = (
    r"(?:instructions?|prompts?|rules?|directions?|directives?|guidelines?|commands?|orders?|context|messages?|text|"
    r"conversation|tasks?|programming|polic(?:y|ies)|training)"
)

_SIGNS: tuple[Sign, ...] = (
    _sign(
        "asks to set its instructions aside",
        "ignore|disregard|forget|override|bypass|overlook|neglect|skip|drop|discard|abandon",
        rf"\b(?:ignore|disregard|forget|override|bypass|overlook|neglect|skip|drop|discard|"
        rf"abandon)\b.{{0,20}}\b{_ALL}{_BEFORE} .{{0,24}}{_ORDERS}\b",
    ),
    _sign(
        "asks to set its instructions aside",
        "ignore|disregard|forget|override",
        rf"\b(?:ignore|disregard|forget|override)\b {_ALL}(?:{_ORDERS}|everything|"
        rf"all of (?:the )?above)\b.{{0,30}}(?:above|before|previous|prior|you|were|given|told|said|now)",
    ),
    _sign(
        "asks to set its instructions aside",
        "forget ",
        r"\bforget (?:everything|all)\b",
    ),
    _sign(
        "asks to set its instructions aside",
        "follow|obey|adhere|comply",
        r"\b(?:do not|don't|stop) (?:follow|obey|adhere to|comply with)(?:ing)? .{0,30}(?:instruction|rule|"
        r"guideline|polic)",
    ),
    _sign(
        "asks to set its instructions aside",
        "new ",
        r"\bnew (?:instructions?|task|rules?|orders?) ?(?:are|is|:|for you|from)",
    ),
    _sign(
        "asks to set its instructions aside",
        "vergiss|ignoriere|missachte",
        r"\b(?:vergiss|ignoriere?n?|missachte)\b.{0,40}(?:anweisung|instruktion|befehl|davor|alles|regeln|"
        r"aufgabe)",
    ),
    _sign(
        "asks to set its instructions aside",
        "ignore|oublie",
        r"\b(?:ignorez?|oubliez?)\b.{0,40}(?:instruction|consigne|règle|pr[ée]c[ée]dent)",
    ),
    _sign(
        "asks to set its instructions aside",
        "ignor|olvida",
        r"\b(?:ignora|olvida|ignore)\b.{0,40}(?:instruccion|instruções|istruzioni|anterior|reglas|precedent)",
    ),
    _sign(
        "asks to set its instructions aside",
        "игнорируй|забудь",
        r"(?:игнорируй|забудь).{0,40}(?:инструкци|правил|предыдущ)",
    ),
    _sign(
        "asks to set its instructions aside",
        "忽略|无视|忘记|以前の指示|無視",
        r"(?:忽略|无视|忘记).{0,20}(?:指令|指示|之前|以上|规则)|以前の指示|これまでの.{0,10}指示.{0,6}無視",
    ),
    _sign(
        "asks for its hidden instructions",
        "system prompt|system message|initial|hidden|your ",
        r"\b(?:reveal|show|print|repeat|output|display|leak|tell me|give me|share|expose|write out|what (?:is|"
        r"was|are|were))\b.{0,40}\b(?:system prompt|system message|initial (?:prompt|instructions?)|"
        r"hidden (?:prompt|instructions?)|your (?:full |entire |original |exact |own )?(?:prompt|instructions))",
    ),
    _sign(
        "asks for its hidden instructions",
        "repeat ",
        r"\brepeat (?:everything|all|the (?:words|text)).{0,20}(?:above|before|back)",
    ),
    _sign(
        "asks for its hidden instructions",
        "secret|password|passphrase|key",
        r"\b(?:what|which) (?:is|was|were) (?:the |your )?(?:secret|password|passphrase|key) .{0,30}(?:told|"
        r"given|prompt|instruction)",
    ),
    _sign(
        "asks for its hidden instructions",
        "prompt",
        r"\bprompt(?:s|texte?)? (?:above|before this)|\byour prompt texts?\b",
    ),
    _sign(
        "makes it somebody without rules",
        "do anything now|jailbr| mode|stay in character",
        r"\b(?:do anything now|jailbr(?:eak|oken)|(?:developer|god|dan|debug|sudo|admin|unrestricted|evil|"
        r"opposite) mode|stay in character)\b",
    ),
    _sign(
        "makes it somebody without rules",
        "dan",
        r"\bdan\b.{0,60}(?:you|anything|answer|respond|prompt|mode)",
    ),
    _sign(
        "makes it somebody without rules",
        "restriction|limitation|filter|censorship|ethical|moral|guidelines|rules of",
        r"\b(?:no|without|any|free of|free from|freed from|not bound by|unbound by) .{0,30}(?:restrictions?|"
        r"limitations?|filters?|censorship|ethical|moral|guidelines|rules of)\b.{0,200}\b(?:you|your|answer|"
        r"respond|act|pretend|role)",
    ),
    _sign(
        "makes it somebody without rules",
        "now|you are going to|pretend|act as|roleplay|play the role|imagine|assume the",
        r"\b(?:you (?:are|will be|will) now|from now on,? you|you are going to|pretend (?:to be|you are|"
        r"that you)|act as (?:if|an?|the)|roleplay as|play the role|imagine you are|assume the (?:role|"
        r"persona)).{0,160}(?:unfiltered|uncensored|no (?:rules|limits|restrictions|filter|ethic|moral)|"
        r"without (?:any )?(?:restriction|filter|moral|ethic|limit)|never refuse|immoral|amoral|illegal|evil|"
        r"hacker|ai model|bypass|anything)",
    ),
    _sign(
        "makes it somebody without rules",
        "refuse|decline|say |warn|break character|apologi",
        r"\b(?:never|cannot|can't|must not|do not|don't) (?:ever )?(?:refuse|decline|say (?:that )?(?:no|"
        r"you can't|sorry)|warn|break character|apologi[sz]e)",
    ),
    _sign(
        "makes it somebody without rules",
        "with|sure",
        r"\b(?:begin|start) (?:your )?(?:response|reply|answer)s? with\b.{0,60}(?:sure|absolutely|of course|"
        r"here)|\"?sure,? here(?:'s| is)",
    ),
    _sign(
        "makes it somebody without rules",
        "hypothetical|fictional",
        r"\b(?:hypothetical|fictional) (?:response|scenario|story)\b.{0,200}\b(?:illegal|unethical|harmful|"
        r"no (?:rules|laws))",
    ),
    _sign(
        "speaks in the system's place",
        "<|[inst|[/inst|[system]|##",
        r"<\|?(?:im_start|im_end|system|endoftext|start_header_id|eot_id)\|?>|\[/?inst\]|<</?sys>>|"
        r"\[system\]\(#|^#{2,3} ?(?:system|instruction)",
    ),
    _sign(
        "speaks in the system's place",
        "end of|<",
        r"\b(?:end of|</?) ?(?:context|prompt|document|user (?:input|query|message)|data)\b.{0,60}(?:new|"
        r"instruction|system|now)",
    ),
    _sign(
        "speaks in the system's place",
        "important|attention|urgent|system|admin",
        r"(?:important|attention|urgent|system|admin(?:istrator)?)(?: (?:message|note|override|notice|"
        r"instructions?))?(?: (?:to|for) (?:the |all )?(?:ai|llm|assistants?|model))? ?: ?.{0,80}(?:ignore|"
        r"instruction|must|execute|you)",
    ),
)


def injection(text: str) -> str | None:
    """What gives an attack away in a text, in words, or None."""
    said = text.lower()
    for sign in _SIGNS:
        if any(mark in said for mark in sign.marks) and sign.pattern.search(said):
            return sign.does
    return None
