#version 450
// scratch: indexes an array of a thread by a value of run time, so that it cannot lie in registers.
#extension GL_EXT_control_flow_attributes : require
layout(local_size_x = 64) in;
layout(binding = 0) buffer XBuf { float x[]; };

const uint N = 512u;

void main() {
    uint at = gl_GlobalInvocationID.x;
    float v[N];
    [[unroll]] for (uint i = 0u; i < N; i++) v[i] = x[at * N + i];
    uint k = floatBitsToUint(v[0]) % N;
    for (uint i = 0u; i < N; i++) {
        v[k] += v[i];
        k = (k * 5u + floatBitsToUint(v[i])) % N;
    }
    x[at] = v[k];
}
