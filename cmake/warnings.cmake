# Every target of ours links dove_options: the warnings and the sanitizers in one place.
add_library(dove_options INTERFACE)
target_compile_options(dove_options INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                                              $<$<BOOL:${DOVE_WERROR}>:-Werror>)
# A struct filled with designated initialisers leaves the rest at its defaults on purpose.
target_compile_options(dove_options INTERFACE -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # Optimised, g++ 12 sees overlaps in std::string's own code (GCC bug 105329).
  target_compile_options(dove_options INTERFACE -Wno-restrict)
endif()
target_include_directories(dove_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(dove_options INTERFACE DOVE_VERSION="${PROJECT_VERSION}")
if(DOVE_SANITIZE)
  add_compile_options(-fsanitize=${DOVE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${DOVE_SANITIZE})
  if(DOVE_SANITIZE_LESS)
    add_compile_options(-fno-sanitize=null,vptr,alignment -g0)
  endif()
endif()
