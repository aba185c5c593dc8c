#version 450
// wander: takes a lane that is known at run time alone.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
layout(local_size_x = 64) in;
layout(binding = 0) buffer XBuf { float x[]; };

void main() {
    uint i = gl_LocalInvocationIndex;
    x[i] = subgroupShuffle(x[i], floatBitsToUint(x[i]));
}
