"""Attacks on a model in a text: a first heuristic, of phrases that give an attempt to take over instructions away.

It knows what attackers write most, in a few languages, and understands nothing. The gate takes any such function.
"""

import re

_ALL = r"(?:all |any |every |the |of |your |my |these |those |its |our ){0,4}"
_BEFORE = (
    r"(?:previous|prior|above|earlier|preceding|foregoing|former|original|initial|system|existing|past|old|given|"
    r"current)"
)
_ORDERS = (
    r"(?:instructions?|prompts?|rules?|directions?|directives?|guidelines?|commands?|orders?|context|messages?|text|"
    r"conversation|tasks?|programming|polic(?:y|ies)|training)"
)

_SIGNS: dict[str, str] = {
    "asks to set its instructions aside": "|".join(
        (
            rf"\b(?:ignore|disregard|forget|override|bypass|overlook|neglect|skip|drop|discard|"
            rf"abandon)\b.{{0,20}}\b{_ALL}{_BEFORE} .{{0,24}}{_ORDERS}\b",
            rf"\b(?:ignore|disregard|forget|override)\b {_ALL}(?:{_ORDERS}|everything|"
            rf"all of (?:the )?above)\b.{{0,30}}(?:above|before|previous|prior|you|were|given|told|said|now)",
            r"\bforget (?:everything|all)\b",
            r"\b(?:do not|don't|stop) (?:follow|obey|adhere to|comply with)(?:ing)? .{0,30}(?:instruction|rule|"
            r"guideline|polic)",
            r"\bnew (?:instructions?|task|rules?|orders?) ?(?:are|is|:|for you|from)",
            r"\b(?:vergiss|ignoriere?n?|missachte)\b.{0,40}(?:anweisung|instruktion|befehl|davor|alles|regeln|"
            r"aufgabe)",
            r"\b(?:ignorez?|oubliez?)\b.{0,40}(?:instruction|consigne|règle|pr[ée]c[ée]dent)",
            r"\b(?:ignora|olvida|ignore)\b.{0,40}(?:instruccion|instruções|istruzioni|anterior|reglas|precedent)",
            r"(?:игнорируй|забудь).{0,40}(?:инструкци|правил|предыдущ)",
            r"(?:忽略|无视|忘记).{0,20}(?:指令|指示|之前|以上|规则)|以前の指示|これまでの.{0,10}指示.{0,6}無視",
        )
    ),
    "asks for its hidden instructions": "|".join(
        (
            r"\b(?:reveal|show|print|repeat|output|display|leak|tell me|give me|share|expose|write out|what (?:is|"
            r"was|are|were))\b.{0,40}\b(?:system prompt|system message|initial (?:prompt|instructions?)|"
            r"hidden (?:prompt|instructions?)|your (?:full |entire |original |exact |own )?(?:prompt|instructions))",
            r"\brepeat (?:everything|all|the (?:words|text)).{0,20}(?:above|before|back)",
            r"\b(?:what|which) (?:is|was|were) (?:the |your )?(?:secret|password|passphrase|key) .{0,30}(?:told|"
            r"given|prompt|instruction)",
            r"\bprompt(?:s|texte?)? (?:above|before this)|\byour prompt texts?\b",
        )
    ),
    "makes it somebody without rules": "|".join(
        (
            r"\b(?:do anything now|jailbr(?:eak|oken)|(?:developer|god|dan|debug|sudo|admin|unrestricted|evil|"
            r"opposite) mode|stay in character)\b",
            r"\bDAN\b.{0,60}(?:you|anything|answer|respond|prompt|mode)",
            r"\b(?:no|without|any|free of|free from|freed from|not bound by|unbound by) .{0,30}(?:restrictions?|"
            r"limitations?|filters?|censorship|ethical|moral|guidelines|rules of)\b.{0,200}\b(?:you|your|answer|"
            r"respond|act|pretend|role)",
            r"\b(?:you (?:are|will be|will) now|from now on,? you|you are going to|pretend (?:to be|you are|"
            r"that you)|act as (?:if|an?|the)|roleplay as|play the role|imagine you are|assume the (?:role|"
            r"persona)).{0,160}(?:unfiltered|uncensored|no (?:rules|limits|restrictions|filter|ethic|moral)|"
            r"without (?:any )?(?:restriction|filter|moral|ethic|limit)|never refuse|immoral|amoral|illegal|evil|"
            r"hacker|AI model|bypass|anything)",
            r"\b(?:never|cannot|can't|must not|do not|don't) (?:ever )?(?:refuse|decline|say (?:that )?(?:no|"
            r"you can't|sorry)|warn|break character|apologi[sz]e)",
            r"\b(?:begin|start) (?:your )?(?:response|reply|answer)s? with\b.{0,60}(?:sure|absolutely|of course|"
            r"here)|\"?sure,? here(?:'s| is)",
            r"\b(?:hypothetical|fictional) (?:response|scenario|story)\b.{0,200}\b(?:illegal|unethical|harmful|"
            r"no (?:rules|laws))",
        )
    ),
    "speaks in the system's place": "|".join(
        (
            r"<\|?(?:im_start|im_end|system|endoftext|start_header_id|eot_id)\|?>|\[/?INST\]|<</?SYS>>|"
            r"\[system\]\(#|^#{2,3} ?(?:system|instruction)",
            r"\b(?:end of|</?) ?(?:context|prompt|document|user (?:input|query|message)|data)\b.{0,60}(?:new|"
            r"instruction|system|now)",
            r"(?:IMPORTANT|ATTENTION|URGENT|SYSTEM|ADMIN(?:ISTRATOR)?)(?: (?:MESSAGE|NOTE|OVERRIDE|NOTICE|"
            r"INSTRUCTIONS?))?(?: (?:to|for) (?:the |all )?(?:AI|LLM|assistants?|model))? ?: ?.{0,80}(?:ignore|"
            r"instruction|must|execute|you)",
        )
    ),
}
_COMPILED = {name: re.compile(pattern, re.IGNORECASE | re.DOTALL | re.MULTILINE) for name, pattern in _SIGNS.items()}


def injection(text: str) -> str | None:
    """What gives an attack away in a text, in words, or None."""
    return next((name for name, pattern in _COMPILED.items() if pattern.search(text)), None)
