include(GNUInstallDirs)
foreach(program doved dove-controller dovectl)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
  endif()
endforeach()
install(DIRECTORY man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man8 FILES_MATCHING PATTERN "*.8")
install(FILES packaging/completion/dovectl
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
# They make systemd-networkd, udev and NetworkManager leave our devices alone.
install(FILES packaging/network/05-dove.network packaging/network/05-dove.link
        DESTINATION lib/systemd/network)
install(FILES packaging/network/10-dove.conf DESTINATION lib/NetworkManager/conf.d)
