#version 450
// whole: sums over a subgroup of a size that it does not know.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
layout(local_size_x = 64) in;
layout(binding = 0) buffer XBuf { float x[]; };

void main() {
    uint i = gl_LocalInvocationIndex;
    x[i] = subgroupAdd(x[i]);
}
