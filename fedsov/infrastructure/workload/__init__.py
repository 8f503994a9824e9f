"""What a party needs to run on a machine or a cluster of its own: units, compose file, manifests, image, checklist.

    for path, text in render(Workload(party="DE", role="region", hub=HubAddress("hub.example"))).items():
        write_file(folder / path, text.encode())

`values` says what may be chosen, `render` makes the files. Nothing is written or started here.
"""
