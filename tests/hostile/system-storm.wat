;; Asks Vault again and again if the mount is being removed.
;;
;; request: read harm
;; status: 500
;; error: --storage-ops

(func $hostile (result i32)
  (loop $again
    (call $tainted (i32.const 64))
    (br $again))
  unreachable)
