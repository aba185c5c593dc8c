#version 450
// activation_backward: dz = dy · act'(z), where y = act(z). One thread per element.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "activations.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint ACTIVATION = 0u; // 0 linear, 1 relu, 2 sigmoid, 3 tanh
layout(push_constant) uniform Dims { uint n; };
layout(binding = 0) readonly buffer DYBuf { float dy[]; };  // dy[n]
layout(binding = 1) readonly buffer YBuf { float y[]; };    // y[n]
layout(binding = 2) writeonly buffer DZBuf { float dz[]; }; // dz[n]

void main() {
    uint i = threadIndex();
    if (i >= n) return;
    dz[i] = slope(ACTIVATION, dy[i], y[i]);
}
