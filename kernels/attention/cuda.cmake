# The CUDA rows of the attention table; included where CUDA was found.
# Launch plans are built for every architecture: tests run them on the functional GPU.
target_sources(assay_attention PRIVATE cuda/kernels.cpp cuda/simt_f32_row.cpp
               cuda/simt_f32_backward.cpp cuda/simt_f32_backward_row.cpp cuda/persistent_forward.cpp
               sm80/mma_row.cpp sm80/mma_backward.cpp sm80/mma_backward_row.cpp
               sm90/wgmma_forward.cpp sm90/wgmma_backward.cpp sm100/tcgen05_forward.cpp)
assay_cuda_sources(assay_attention cuda/simt_f32.cu cuda/simt_f32_backward.cu sm80/mma.cu sm80/mma_backward.cu)
if(ASSAY_HAS_SM90)
  target_sources(assay_attention PRIVATE sm90/wgmma_forward_row.cpp sm90/wgmma_backward_row.cpp)
  assay_cuda_sources(assay_attention sm90/wgmma_forward_bf16.cu sm90/wgmma_forward_f16.cu
                     sm90/wgmma_forward_e4m3.cu sm90/wgmma_backward.cu)
endif()
if(ASSAY_HAS_SM100)
  target_sources(assay_attention PRIVATE sm100/tcgen05_forward_row.cpp)
  assay_cuda_sources(assay_attention sm100/tcgen05_forward_bf16.cu sm100/tcgen05_forward_f16.cu
                     sm100/tcgen05_forward_e4m3.cu)
endif()
if(ASSAY_HAS_CUDNN)  # its header; the library itself is loaded at run time
  target_sources(assay_attention PRIVATE vendor/cudnn.cpp vendor/cudnn_attention_graph.cpp vendor/cudnn_graph.cpp
                 vendor/cudnn_library.cpp)
  target_include_directories(assay_attention SYSTEM PRIVATE ${ASSAY_CUDNN_INCLUDE})
  set_source_files_properties(vendor/cudnn_library.cpp PROPERTIES
    COMPILE_DEFINITIONS ASSAY_CUDA_LIBRARY_DIR="${CUDAToolkit_LIBRARY_DIR}")
endif()
