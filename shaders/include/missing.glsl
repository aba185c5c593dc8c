// Cells hold the bits of a float32. Whether one is missing (NaN) is asked of the bits, because Vulkan lets a driver assume that
// floats are never NaN.
#ifndef MISSING_GLSL
#define MISSING_GLSL

const uint MISSING = 0x7fc00000u; // the NaN that kernels write

bool isMissing(uint bits) { return (bits & 0x7fffffffu) > 0x7f800000u; }

#endif
