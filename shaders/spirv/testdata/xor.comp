#version 450
// xor: takes a lane that a constant names.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint MASK = 2u;
layout(binding = 0) buffer XBuf { float x[]; };

void main() {
    uint i = gl_LocalInvocationIndex;
    x[i] += subgroupShuffleXor(x[i], MASK);
}
