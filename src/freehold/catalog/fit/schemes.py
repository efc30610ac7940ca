"""Quantisation schemes: how many bits a weight takes in a file, with its scales and the tensors left wider."""

_BITS = """
iq1_s 1.9|iq1_m 2.1|iq2_xxs 2.4|iq2_xs 2.6|iq2_s 2.8|iq2_m 2.9|iq3_xxs 3.25|iq3_xs 3.5|iq3_s 3.6|iq3_m 3.8|iq4_xs 4.4
iq4_nl 4.6|q2_k_s 3.0|q2_k 3.1|q3_k_s 3.6|q3_k_m 4.0|q3_k_l 4.4|q3_k_xl 4.1|q3_k 4.0|q4_0 4.7|q4_1 5.1
q4_k_s 4.7|q4_k_m 4.9|q4_k_l 5.0|q4_k_xl 5.0|q4_k 4.9|q5_0 5.6|q5_k_s 5.6|q5_k_m 5.75|q5_k_xl 5.8|q5 5.7
q6_k_xl 7.0|q6_k 6.6|q8_0 8.5|q8 8.5
nvfp4 5.0|mxfp4 4.4|mq4 4.4|fp8 8.3|int8 8.5|8bit 8.5|6bit 6.6|5bit 5.6|4bit 4.7|int4 4.7|awq 4.7|gptq 4.7|autoround 4.7
3bit 3.6|2bit 2.6|2-bit 2.6|avq2 2.6|jangtq 2.6|bf16 16|fp16 16|f16 16|fp32 32|f32 32
"""

BITS = {
    cell.split()[0]: float(cell.split()[1])
    for cell in sorted(_BITS.strip().replace("\n", "|").split("|"), key=len, reverse=True)
}


def bits(scheme: str) -> float | None:
    """Bits a weight, by the longest name that `scheme` contains ('UD-Q4_K_XL'); None for one we do not know."""
    name = scheme.lower()
    return next((found for known, found in BITS.items() if known in name), None)
