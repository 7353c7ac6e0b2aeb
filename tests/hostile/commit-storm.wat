;; Commits a write again and again, and holds the commit lock for each.
;;
;; request: write harm
;; status: 400
;; error: --storage-ops

(func $hostile (result i32)
  (loop $again
    (call $put (i32.const 2112) (i32.const 3) (i32.const 2112) (i32.const 3) (i32.const 0) (i32.const 64))
    (if (call $failed (i32.const 64)) (then (return (call $pass-on (i32.const 64)))))
    (call $commit (i32.const 64))
    (br_if $again (i32.eqz (call $failed (i32.const 64)))))
  (call $pass-on (i32.const 64)))
