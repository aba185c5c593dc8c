// Rounding to float16, to the nearest, ties to even, with subnormal numbers. What is larger than float16 can hold becomes the
// largest it can; NaN stays NaN. By bits, because Mesa 25.0's lavapipe leaves every second component of
// unpackHalf2x16(packHalf2x16(v)) as it was.
#ifndef HALF_GLSL
#define HALF_GLSL

float roundedToHalf(float v) {
    uint bits = floatBitsToUint(v), size = bits & 0x7fffffffu, sign = bits ^ size;
    if (size > 0x7f800000u) return v; // NaN
    if (size >= 0x477fe000u) return uintBitsToFloat(sign | 0x477fe000u); // 65504
    if (size < 0x38800000u) return roundEven(v * 16777216.0) / 16777216.0; // below 2⁻¹⁴ in steps of 2⁻²⁴
    return uintBitsToFloat((bits + 0xfffu + (bits >> 13u & 1u)) & 0xffffe000u);
}

vec4 roundedToHalf(vec4 v) { return vec4(roundedToHalf(v.x), roundedToHalf(v.y), roundedToHalf(v.z), roundedToHalf(v.w)); }

#endif
