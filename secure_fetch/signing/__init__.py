"""The signing side (extra `signing`): a folder of distributions becomes a repository as PEP 458 draws it.

Built on python-tuf's Metadata API and securesystemslib's signers. `repository.SigningRepository` is the way in.
"""
