#version 450
// gradient_scale: the power of two by which dz is multiplied where a product takes it in float16, and its inverse. One
// workgroup per model. The largest |d| of the gradient that comes in becomes 64 to 128: gradients may grow 512 times as large
// on their way back before float16 ends, and are exact to 11 bits down to 2⁻²⁰ of it. A gradient of 0, or with an infinity or
// NaN, leaves the scale 1. Many elements are taken in parts: with LARGEST, one workgroup per model and part, the kernel leaves
// |d| of a part's largest, of which it then takes the scale.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 128) in;
layout(constant_id = 0) const uint LARGEST = 0u;
layout(push_constant) uniform Dims { uint K, n, parts, span; };    // models, elements of each; parts of a model, and their elements
layout(binding = 0) readonly buffer DBuf { uint d[]; };            // d[K][n], bits of float32
layout(binding = 1) writeonly buffer ScaleBuf { uint scale[]; };   // scale[K][2], with LARGEST |d|[K][parts]; bits of float32

shared uint largest[128];

void main() {
    uint group = groupIndex(), k = group / parts, thread = gl_LocalInvocationIndex;
    if (k >= K) return; // the same for all threads of the group
    uint first = group % parts * span, end = min(n, first + span);
    uint most = 0u; // bits of numbers that are not negative are in the order of the numbers
    for (uint i = first + thread; i < end; i += 128u) most = max(most, d[k * n + i] & 0x7fffffffu);
    largest[thread] = most;
    barrier();
    if (thread != 0u) return;
    for (uint i = 1u; i < 128u; i++) most = max(most, largest[i]);
    if (LARGEST != 0u) {
        scale[group] = most;
        return;
    }
    uint exponent = most >> 23u; // the number is 2^(exponent − 127) to twice that
    uint up = most == 0u || exponent == 255u ? 127u : min(253u, 260u - exponent);
    scale[2u * k] = up << 23u;
    scale[2u * k + 1u] = (254u - up) << 23u;
}
