;; Commits, reads in the next transaction, which holds the commit lock from then on, and loops.
;;
;; request: write harm
;; status: 500
;; error: --cpu-ms
;; serve: --cpu-ms=100

(func $hostile (result i32)
  (call $put (i32.const 2112) (i32.const 3) (i32.const 2112) (i32.const 3) (i32.const 0) (i32.const 64))
  (call $commit (i32.const 64))
  (if (call $failed (i32.const 64)) (then (return (call $pass-on (i32.const 64)))))
  (call $get (i32.const 2112) (i32.const 3) (i32.const 64))
  (if (call $failed (i32.const 64)) (then (return (call $pass-on (i32.const 64)))))
  (loop $again (br $again))
  unreachable)
