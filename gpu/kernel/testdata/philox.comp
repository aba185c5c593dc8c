#version 450
// philox: the words of include/philox.glsl as they are, for its published answers. One thread per counter.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "philox.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint n; };
layout(binding = 0) readonly buffer CounterBuf { uvec4 counter[]; }; // counter[n]
layout(binding = 1) readonly buffer KeyBuf { uvec2 key[]; };         // key[n]
layout(binding = 2) writeonly buffer WordsBuf { uvec4 words[]; };    // words[n]

void main() {
    uint i = threadIndex();
    if (i < n) words[i] = philox(counter[i], key[i]);
}
