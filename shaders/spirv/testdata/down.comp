#version 450
// down: takes the lane five further on.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle_relative : require
layout(local_size_x = 64) in;
layout(binding = 0) buffer XBuf { float x[]; };

void main() {
    uint i = gl_LocalInvocationIndex;
    x[i] += subgroupShuffleDown(x[i], 5u);
}
