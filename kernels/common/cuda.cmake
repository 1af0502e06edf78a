# Included where CUDA was found.  The runtime is linked statically: the binary must start where there is no toolkit.
target_sources(assay_kernels_common PRIVATE cuda_check.cpp dynamic_library.cpp launch_tuning.cpp tensor_map.cpp)
target_link_libraries(assay_kernels_common PUBLIC assay_cuda_runtime ${CMAKE_DL_LIBS})
