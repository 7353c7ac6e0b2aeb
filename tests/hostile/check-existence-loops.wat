;; Loops in the existence check that Vault makes before a write.
;;
;; request: write harm
;; status: 503
;; error: the existence check of this request could not be made
;; error: --cpu-ms
;; serve: --cpu-ms=100

(func $check (param $request i32) (result i32)
  (if (call $is-benign (local.get $request)) (then (return (call $nothing))))
  (loop $again (br $again))
  unreachable)
