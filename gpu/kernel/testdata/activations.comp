#version 450
// activations: the functions of include/activations.glsl by themselves. One thread per value.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "activations.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint n; };
layout(binding = 0) readonly buffer ZBuf { float z[]; };          // z[n]
layout(binding = 1) writeonly buffer SigmoidBuf { float s[]; };   // sigmoid(z)
layout(binding = 2) writeonly buffer TanhBuf { float th[]; };     // tanh(z)
layout(binding = 3) writeonly buffer SoftplusBuf { float sp[]; }; // softplus(z)

void main() {
    uint i = threadIndex();
    if (i >= n) return;
    s[i] = sigmoid(z[i]);
    th[i] = tanhBounded(z[i]);
    sp[i] = softplus(z[i]);
}
