#version 450
// spill: keeps more values alive than a thread has registers.
// Each value depends on the one before in two rounds, so that none can be worked out again when it is needed.
#extension GL_EXT_control_flow_attributes : require
layout(local_size_x = 256) in;
layout(binding = 0) buffer XBuf { float x[]; };

const uint N = 320u;

void main() {
    uint at = gl_GlobalInvocationID.x;
    float v[N];
    v[0] = x[at];
    [[unroll]] for (uint i = 1u; i < N; i++) v[i] = sin(v[i - 1u] + float(i));
    float sum = v[N - 1u];
    [[unroll]] for (uint i = 0u; i < N; i++) sum = sum * v[i] + v[(i * 7u) % N];
    x[at] = sum;
}
