# Included where CUDA was found: the CUDA rows of the GEMM table.
target_sources(assay_gemm PRIVATE cuda/kernels.cpp)
assay_cuda_sources(assay_gemm cuda/simt_f32.cu sm80/mma.cu)
if(ASSAY_HAS_SM90)
  target_sources(assay_gemm PRIVATE sm90/wgmma.cpp sm90/wgmma_row.cpp sm90/wgmma_fp8.cpp sm90/wgmma_fp8_row.cpp)
  assay_cuda_sources(assay_gemm sm90/wgmma_bf16.cu sm90/wgmma_f16.cu sm90/wgmma_tf32.cu sm90/wgmma_fp8.cu)
endif()
assay_cuda_sources(assay_gemm sm100/tcgen05.cu sm100/tcgen05_scaled.cu)
if(ASSAY_HAS_CUBLASLT)  # its header; the library itself is loaded at run time
  target_sources(assay_gemm PRIVATE vendor/cublaslt.cpp vendor/cublaslt_library.cpp vendor/cublaslt_matmul.cpp)
  target_include_directories(assay_gemm SYSTEM PRIVATE ${ASSAY_CUBLASLT_INCLUDE})
  set_source_files_properties(vendor/cublaslt_library.cpp PROPERTIES
    COMPILE_DEFINITIONS ASSAY_CUDA_LIBRARY_DIR="${CUDAToolkit_LIBRARY_DIR}")
endif()
